"""Sequential, ModuleList, ModuleDict, ParameterList, ParameterDict."""

from collections import OrderedDict

import pytest

import pytensor as torch
from pytensor import nn


class Add(nn.Module):
    def __init__(self, amount):
        super().__init__()
        self.amount = amount

    def forward(self, x):
        return x + self.amount

    def extra_repr(self):
        return str(self.amount)


def amounts(modules):
    return [m.amount for m in modules]


def test_sequential():
    s = nn.Sequential(Add(1), Add(2), Add(3))
    assert s(0) == 6 and len(s) == 3 and amounts(s) == [1, 2, 3]
    assert s[-1].amount == 3 and amounts(s[1:]) == [2, 3] and isinstance(s[:1], nn.Sequential)
    s[0] = Add(10)
    del s[1]
    assert amounts(s) == [10, 3] and list(s._modules) == ["0", "1"]
    assert s.append(Add(4)) is s and amounts(s.extend([Add(5)])) == [10, 3, 4, 5]
    assert amounts(s.insert(1, Add(7))) == [10, 7, 3, 4, 5]
    assert s.pop(1).amount == 7 and amounts(s) == [10, 3, 4, 5]
    del s[::2]
    assert amounts(s) == [3, 5]
    assert amounts(s + nn.Sequential(Add(1))) == [3, 5, 1] and amounts(s * 2) == [3, 5, 3, 5] == amounts(2 * s)
    s += nn.Sequential(Add(0))
    s *= 2
    assert amounts(s) == [3, 5, 0] * 2 and list(s._modules) == list("012345")
    for bad in (6, -7):
        with pytest.raises(IndexError, match=f"index {bad} is out of range"):
            s[bad]
    with pytest.raises(ValueError, match=r"add operator supports only objects of Sequential class"):
        s + [Add(1)]  # noqa: RUF005
    with pytest.raises(ValueError, match=r"Non-positive multiplication factor 0"):
        s * 0
    with pytest.raises(TypeError, match=r"unsupported operand"):
        s * 1.5
    with pytest.raises(IndexError, match=r"Index out of range: 9"):
        s.insert(9, Add(1))
    named = nn.Sequential(OrderedDict(a=Add(1), b=Add(2)))
    assert named.b.amount == 2 and named[1] is named.b
    assert repr(named) == "Sequential(\n  (a): Add(1)\n  (b): Add(2)\n)"
    assert list(nn.Sequential(OrderedDict(a=Add(1), b=Add(2)))[1:]._modules) == ["b"]


def test_module_list():
    m = nn.ModuleList([Add(1), Add(2)])
    m.append(Add(3)).extend([Add(4)])
    m.insert(0, Add(0))
    m += [Add(5)]
    assert amounts(m) == [0, 1, 2, 3, 4, 5] and amounts(m[::2]) == [0, 2, 4] and isinstance(m[:1], nn.ModuleList)
    assert m.pop(-1).amount == 5 and amounts(m.__add__([Add(9)])) == [0, 1, 2, 3, 4, 9]
    m[0] = Add(8)
    del m[1:3]
    assert amounts(m) == [8, 3, 4] and list(m._modules) == ["0", "1", "2"]
    with pytest.raises(TypeError, match=r"ModuleList.extend should be called with an iterable, but got int"):
        m.extend(3)
    with pytest.raises(IndexError, match=r"index 3 is out of range"):
        m[3]
    with pytest.raises(NotImplementedError):
        m(1)
    assert repr(nn.ModuleList()) == "ModuleList()"
    assert repr(nn.ModuleList([Add(1), Add(1), Add(2)])) == "ModuleList(\n  (0-1): 2 x Add(1)\n  (2): Add(2)\n)"


def test_module_dict():
    m = nn.ModuleDict({"a": Add(1), "b": Add(2)})
    m["c"] = Add(3)
    m.update([("d", Add(4))])
    m.update(nn.ModuleDict({"e": Add(5)}))
    assert list(m) == list("abcde") == list(m.keys()) and amounts(m.values()) == [1, 2, 3, 4, 5]
    assert m.pop("a").amount == 1 and "a" not in m and len(m) == 4
    del m["b"]
    assert [k for k, _ in m.items()] == list("cde")
    m.clear()
    assert len(m) == 0
    with pytest.raises(TypeError, match=r"ModuleDict.update should be called with an iterable of key/value pairs"):
        m.update(3)
    with pytest.raises(ValueError, match=r"ModuleDict update sequence element #0 has length 1; 2 is required"):
        m.update([("x",)])


def test_parameter_list():
    p = nn.ParameterList([torch.zeros(2), nn.Parameter(torch.ones(1)), 5])
    assert isinstance(p[0], nn.Parameter) and p[2] == 5 and len(p) == 3
    assert [n for n, _ in p.named_parameters()] == ["0", "1"]
    p.append(torch.ones(3)).extend([torch.ones(4)])
    p += [torch.ones(5)]
    assert [len(x) for x in p[3:]] == [3, 4, 5] and isinstance(p[3:], nn.ParameterList) and len(p[-1]) == 5
    p[0] = torch.ones(7)
    assert len(p[0]) == 7 and isinstance(p[0], nn.Parameter)
    with pytest.raises(RuntimeError, match=r"ParameterList should not be called."):
        p()
    with pytest.raises(TypeError, match=r"ParameterList.extend should be called with an iterable, but got Tensor"):
        p.extend(torch.zeros(2))
    assert repr(nn.ParameterList([torch.zeros(2, 3), 4])) == (
        "ParameterList(\n    (0): Parameter containing: [torch.float32 of size 2x3]\n    (1): Object of type: int\n)"
    )


def test_parameter_dict():
    p = nn.ParameterDict({"b": torch.zeros(2), "a": torch.ones(1)})
    assert list(p) == ["a", "b"] and isinstance(p["a"], nn.Parameter)  # plain dictionaries come sorted
    p["c"] = 3
    assert p.get("c") == 3 and p.get("z", 1) == 1 and p.setdefault("c", 4) == 3 and "c" in p
    assert [n for n, _ in p.named_parameters()] == ["a", "b"] and list(reversed(p)) == ["c", "b", "a"]
    both = p | nn.ParameterDict({"d": torch.zeros(1)})
    assert list(both) == list("abcd") and list(p) == list("abc")
    p |= nn.ParameterDict({"e": torch.zeros(1)})
    assert p.popitem()[0] == "e" and p.pop("c") == 3 and len(p) == 2
    assert list(p.fromkeys(["x", "y"], 1).values()) == [1, 1] and list(p.copy()) == ["a", "b"]
    p.clear()
    assert len(p) == 0
    with pytest.raises(TypeError, match=r"cannot be used as a key as it is not a string"):
        p[1] = 2
    with pytest.raises(RuntimeError, match=r"ParameterDict should not be called."):
        p(1)


def test_container_is_deprecated():
    with pytest.warns(FutureWarning, match=r"`nn.Container` is deprecated"):
        assert nn.Container(a=Add(1)).a.amount == 1
