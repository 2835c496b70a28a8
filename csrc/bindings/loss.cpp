#include "bindings/bindings.h"

namespace pt {

void bind_loss(py::module_&) {}

}  // namespace pt
