// The state of the generator: seeding, drawing, and PyTorch's layout of it.
#include <cmath>
#include <cstring>

#include "kernels/random/random.h"

namespace pt::random {

namespace {

// What torch.get_rng_state() returns, byte for byte.
struct SavedState {
    uint64_t seed;
    int32_t left;
    int32_t seeded;
    uint64_t next;
    uint64_t state[kStateWords];
    double normal_x;
    double normal_y;
    double normal_rho;
    int32_t normal_is_valid;
    int32_t padding;
    float float_normal;
    bool float_normal_is_valid;
};
static_assert(sizeof(SavedState) == Generator::kStateBytes);

}  // namespace

void Generator::set_seed(uint64_t seed) {
    seed_ = seed;
    seeded_ = true;
    state_[0] = static_cast<uint32_t>(seed);
    for (uint32_t i = 1; i < kStateWords; ++i)
        state_[i] = 1812433253u * (state_[i - 1] ^ (state_[i - 1] >> 30)) + i;
    left_ = 1;
    next_ = 0;
    next_normal.reset();
    next_normal_float.reset();
}

uint32_t Generator::next() {
    if (left_ == 1) {
        uint32_t word;
        raw(&word, 1);
        return word;
    }
    uint32_t y = state_[next_++];  // what raw() does, without a call for one number
    --left_;
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}

void Generator::twist() {
    kernels().twist(state_);
    left_ = kStateWords + 1;
    next_ = 0;
}

int64_t Generator::peek(uint32_t* out) {
    if (left_ == 1) twist();
    kernels().temper(state_ + next_, out, left_ - 1);
    return left_ - 1;
}

void Generator::raw(uint32_t* out, int64_t n) {
    const Kernels& k = kernels();
    while (n > 0) {
        if (left_ == 1) twist();
        const int64_t part = n < left_ - 1 ? n : left_ - 1;
        k.temper(state_ + next_, out, part);
        next_ += static_cast<uint32_t>(part);
        left_ -= static_cast<int32_t>(part);
        out += part;
        n -= part;
    }
}

// PyTorch computes the pair in this order: the cosine is returned, the sine is kept.
double Generator::normal() {
    if (next_normal) {
        const double kept = *next_normal;
        next_normal.reset();
        return kept;
    }
    const double u = next_double(), v = next_double();
    const double radius = std::sqrt(-2.0 * std::log1p(-v));
    const double angle = 2.0 * 3.14159265358979323846 * u;
    next_normal = radius * std::sin(angle);
    return radius * std::cos(angle);
}

void Generator::get_state(uint8_t* out) const {
    SavedState s;
    std::memset(&s, 0, sizeof(s));
    s.seed = seed_;
    s.left = left_;
    s.seeded = seeded_;
    s.next = next_;
    for (int i = 0; i < kStateWords; ++i) s.state[i] = state_[i];
    s.normal_is_valid = next_normal.has_value();
    s.normal_y = next_normal.value_or(0.0);
    s.float_normal_is_valid = next_normal_float.has_value();
    s.float_normal = next_normal_float.value_or(0.0f);
    std::memcpy(out, &s, sizeof(s));
}

bool Generator::set_state(const uint8_t* in) {
    SavedState s;
    std::memcpy(&s, in, sizeof(s));
    if (s.seeded == 0 || s.left <= 0 || s.left > kStateWords || s.next > kStateWords) return false;
    // Of the two counters one follows from the other; a state where they disagree would read past the end.
    if (s.left > 1 && s.next + static_cast<uint64_t>(s.left) > kStateWords + 1) return false;
    seed_ = s.seed;
    left_ = s.left;
    seeded_ = true;
    next_ = static_cast<uint32_t>(s.next);
    for (int i = 0; i < kStateWords; ++i) state_[i] = static_cast<uint32_t>(s.state[i]);
    next_normal = s.normal_is_valid != 0 ? std::optional<double>(s.normal_y) : std::nullopt;
    next_normal_float = in[offsetof(SavedState, float_normal_is_valid)] != 0
                            ? std::optional<float>(s.float_normal)
                            : std::nullopt;
    return true;
}

}  // namespace pt::random
