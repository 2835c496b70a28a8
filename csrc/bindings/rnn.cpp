#include "bindings/bindings.h"

namespace pt {

void bind_rnn(py::module_&) {}

}  // namespace pt
