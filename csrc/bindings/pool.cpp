#include "bindings/bindings.h"

namespace pt {

void bind_pool(py::module_&) {}

}  // namespace pt
