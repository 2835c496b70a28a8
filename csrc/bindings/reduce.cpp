#include "bindings/bindings.h"

namespace pt {

void bind_reduce(py::module_&) {}

}  // namespace pt
