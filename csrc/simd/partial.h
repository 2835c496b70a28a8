// Walking over any number of elements a vector at a time, the last one in part.
#pragma once

#include "simd/vec.h"

namespace pt::PT_ISA {

// body(i, lanes in use) for the vectors that cover 0 .. n.
template <class T, class Body>
PT_INLINE void each_vector(int64_t n, const Body& body) {
    int64_t i = 0;
    for (; i + lanes<T> <= n; i += lanes<T>) body(i, lanes<T>);
    if (i < n) body(i, static_cast<int>(n - i));
}
template <class T>
PT_INLINE Vec<T> load_upto(const T* p, int n, T fill = T(0)) {
    return n == lanes<T> ? load(p) : load_n(p, n, fill);
}
template <class T>
PT_INLINE void store_upto(T* p, Vec<T> v, int n) {
    if (n == lanes<T>)
        store(p, v);
    else
        store_n(p, v, n);
}

}  // namespace pt::PT_ISA
