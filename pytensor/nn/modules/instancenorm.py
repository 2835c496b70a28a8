"""Instance normalisation layers."""

from __future__ import annotations

import warnings
from typing import Any

from pytensor.nn import functional as F
from pytensor.nn.modules.batchnorm import _LazyNormBase, _NormBase
from pytensor.tensor import Tensor

__all__ = [
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LazyInstanceNorm1d",
    "LazyInstanceNorm2d",
    "LazyInstanceNorm3d",
]


class _InstanceNorm(_NormBase):
    _spatial: int  # number of axes after the channels

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device=device, dtype=dtype, bias=bias
        )

    def _check_input_dim(self, input: Tensor) -> None:
        least = self._spatial + 1
        if input.dim() not in (least, least + 1):
            raise ValueError(f"expected {least}D or {least + 1}D input (got {input.dim()}D input)")

    def _normalized(self, input: Tensor) -> Tensor:
        return F.instance_norm(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            self.momentum if self.momentum is not None else 0.0,
            self.eps,
        )

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        if local_metadata.get("version", None) is None and not self.track_running_stats:
            found = [prefix + n for n in ("running_mean", "running_var") if prefix + n in state_dict]
            if found:
                names, name = " and ".join(f'"{k}"' for k in found), type(self).__name__
                error_msgs.append(
                    f"Unexpected running stats buffer(s) {names} for {name} with track_running_stats=False. If "
                    f"state_dict is a checkpoint saved before 0.4.0, this may be expected because {name} does not "
                    "track running stats by default since 0.4.0. Please remove these keys from state_dict. If the "
                    f"running stats are actually needed, instead set track_running_stats=True in {name} to enable "
                    f"them. See the documentation of {name} for details."
                )
                for key in found:
                    state_dict.pop(key)
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        unbatched = input.dim() == self._spatial + 1
        axis = input.dim() - self._spatial - 1
        if input.size(axis) != self.num_features:
            if self.affine:
                raise ValueError(
                    f"expected input's size at dim={axis} to match num_features ({self.num_features}), but got: "
                    f"{input.size(axis)}."
                )
            warnings.warn(
                f"input's size at dim={axis} does not match num_features. You can silence this warning by not passing "
                "in num_features, which is not used because affine=False",
                stacklevel=2,
            )
        return self._normalized(input.unsqueeze(0)).squeeze(0) if unbatched else self._normalized(input)


class InstanceNorm1d(_InstanceNorm):
    """Normalises each channel of each sample of (batch, channels, length) or (channels, length) by itself.

    The arguments are those of :class:`BatchNorm1d`; without ``affine`` and running statistics by default.

    https://docs.pytorch.org/docs/stable/generated/torch.nn.InstanceNorm1d.html

    >>> import pytensor as torch
    >>> torch.nn.InstanceNorm1d(100)(torch.randn(20, 100, 40)).shape
    torch.Size([20, 100, 40])
    """

    _spatial = 1


class InstanceNorm2d(_InstanceNorm):
    """Normalises each channel of each sample of (batch, channels, height, width) by itself.

    https://docs.pytorch.org/docs/stable/generated/torch.nn.InstanceNorm2d.html

    >>> import pytensor as torch
    >>> torch.nn.InstanceNorm2d(3)(torch.randn(2, 3, 4, 5)).shape
    torch.Size([2, 3, 4, 5])
    """

    _spatial = 2


class InstanceNorm3d(_InstanceNorm):
    """Normalises each channel of each sample of (batch, channels, depth, height, width) by itself.

    https://docs.pytorch.org/docs/stable/generated/torch.nn.InstanceNorm3d.html

    >>> import pytensor as torch
    >>> torch.nn.InstanceNorm3d(3)(torch.randn(2, 3, 4, 5, 6)).shape
    torch.Size([2, 3, 4, 5, 6])
    """

    _spatial = 3


class LazyInstanceNorm1d(_LazyNormBase, _InstanceNorm):
    """:class:`InstanceNorm1d` that takes ``num_features`` from its first input.

    >>> import pytensor as torch
    >>> torch.nn.LazyInstanceNorm1d()(torch.randn(2, 3, 4)).shape
    torch.Size([2, 3, 4])
    """

    cls_to_become = InstanceNorm1d
    _spatial = 1


class LazyInstanceNorm2d(_LazyNormBase, _InstanceNorm):
    """:class:`InstanceNorm2d` that takes ``num_features`` from its first input.

    >>> import pytensor as torch
    >>> torch.nn.LazyInstanceNorm2d()(torch.randn(2, 3, 4, 5)).shape
    torch.Size([2, 3, 4, 5])
    """

    cls_to_become = InstanceNorm2d
    _spatial = 2


class LazyInstanceNorm3d(_LazyNormBase, _InstanceNorm):
    """:class:`InstanceNorm3d` that takes ``num_features`` from its first input.

    >>> import pytensor as torch
    >>> torch.nn.LazyInstanceNorm3d()(torch.randn(2, 3, 4, 5, 6)).shape
    torch.Size([2, 3, 4, 5, 6])
    """

    cls_to_become = InstanceNorm3d
    _spatial = 3
