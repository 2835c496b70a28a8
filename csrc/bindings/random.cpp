#include "bindings/bindings.h"

namespace pt {

void bind_random(py::module_&) {}

}  // namespace pt
