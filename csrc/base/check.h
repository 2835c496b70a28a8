// PT_CHECK guards what a caller can get wrong (it throws, and pybind11 turns that into a Python exception);
// PT_ASSERT guards our own mistakes. User errors are raised in Python before a kernel is reached, so these
// are the second line of defence.
#pragma once

#include <stdexcept>
#include <string>

namespace pt {

[[noreturn]] inline void fail(const char* file, int line, const std::string& message) {
    throw std::runtime_error(message + " (" + file + ":" + std::to_string(line) + ")");
}

}  // namespace pt

#define PT_CHECK(condition, message)                            \
    do {                                                        \
        if (!(condition)) throw std::invalid_argument(message); \
    } while (0)
#define PT_ASSERT(condition)                                                             \
    do {                                                                                 \
        if (!(condition)) ::pt::fail(__FILE__, __LINE__, "internal error: " #condition); \
    } while (0)
