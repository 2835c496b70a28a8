#include "bindings/bindings.h"

namespace pt {

void bind_optim(py::module_&) {}

}  // namespace pt
