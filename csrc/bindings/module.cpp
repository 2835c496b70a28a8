// The extension module pytensor._C: its table of contents.
#include "bindings/bindings.h"
#include "core/tensor.h"

PYBIND11_MODULE(_C, m) {
    pt::import_numpy();
    pt::core::add_types(m);
    pt::core::add_functions(m);
    pt::core::add_queue(m);
    pt::core::add_backward(m);
    pt::core::add_rules(m);
    pt::core::add_ops(m);
    pt::bind_base(m);
    pt::bind_matmul(m);
    pt::bind_conv(m);
    pt::bind_pool(m);
    pt::bind_rnn(m);
    pt::bind_pointwise(m);
    pt::bind_reduce(m);
    pt::bind_norm(m);
    pt::bind_loss(m);
    pt::bind_optim(m);
    pt::bind_random(m);
    pt::bind_index(m);
    pt::bind_bags(m);
    pt::bind_index_count(m);
    pt::bind_index_pick(m);
    pt::bind_attention(m);
}
