#include "bindings/bindings.h"

namespace pt {

void bind_index(py::module_&) {}

}  // namespace pt
