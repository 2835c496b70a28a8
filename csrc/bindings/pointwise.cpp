#include "bindings/bindings.h"

namespace pt {

void bind_pointwise(py::module_&) {}

}  // namespace pt
