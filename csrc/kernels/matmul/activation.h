#pragma once

#include <cstdint>

namespace pt::matmul {

// What is applied to the finished elements of a product. gelu is the exact one, gelu_tanh PyTorch's formula.
enum class Activation : uint8_t { none, relu, gelu, gelu_tanh };

}  // namespace pt::matmul
