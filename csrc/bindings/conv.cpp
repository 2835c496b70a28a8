#include "bindings/bindings.h"

namespace pt {

void bind_conv(py::module_&) {}

}  // namespace pt
