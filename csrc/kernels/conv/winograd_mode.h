// When forward and both gradients take Winograd's algorithm (see winograd.h): where it is faster (automatic,
// the default unless PYTENSOR_WINOGRAD=0), never, or wherever it can be used, with tiles of 2, 3 or 4, for
// tests. Its rounding errors are larger than those of the sum that the definition has:
// docs/performance/conv.md states the bound.
#pragma once

namespace pt::conv {

enum class Winograd { off, automatic, tiles_of_2, tiles_of_3, tiles_of_4 };

Winograd winograd();
void set_winograd(Winograd mode);

}  // namespace pt::conv
