// Merging of partial results and turning them into output elements. Level-independent.
#pragma once

#include "kernels/reduce/kernels.h"

namespace pt::reduce {

enum Finish : int8_t { kValue, kMean, kVariance, kDeviation, kRoot, kIndex };

// The place of a type in the tables of kernels; -1 when there are no kernels for it.
int type_slot(DType dtype);

// Everything that stays the same during one reduction.
struct Plan {
    Kernel kernel;
    Kind kind;
    Finish finish;
    bool floating;     // partials hold doubles
    DType output;      // of the values
    int64_t elements;  // per result
    double correction;
};

void set_identity(const Plan& plan, Partial& p);                         // of no elements
void merge(const Plan& plan, Partial& into, const Partial& from);        // `from` comes after `into`
void write(const Plan& plan, const Partial& p, char* out, char* index);  // index may be null

// The same for the first `cols` columns of two states, and of a state into results `step` bytes apart
// (`index` may be null). `rows` is the distance of `from`'s first row from `into`'s.
void merge_columns(const Plan& plan, ColumnState& into, const ColumnState& from, int64_t cols, int64_t rows);
void write_columns(const Plan& plan, const ColumnState& state, int64_t cols, char* out, int64_t step,
                   char* index, int64_t index_step);

inline Partial column(const ColumnState& state, int64_t j) {
    Partial p;
    p.i[0] = state.i[0][j];
    p.i[1] = state.i[1][j];
    p.index = state.index[j];
    p.count = state.count;
    return p;
}

}  // namespace pt::reduce
