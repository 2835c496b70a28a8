// The caching buffer pool: blocks that tensors and scratch space come from and go back to. Fresh pages from
// the kernel cost more than most arithmetic on them, so freed blocks are kept, by size class, up to a limit.
// All functions are thread-safe. Blocks are aligned to 64 bytes.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pt::pool {

struct Stats {
    int64_t in_use_bytes;  // handed out now
    int64_t cached_bytes;  // kept for reuse
    int64_t peak_bytes;    // most ever handed out at once
    int64_t limit_bytes;   // most that is kept for reuse
    int64_t hits;          // requests served from the cache
    int64_t misses;        // requests that went to the system
};

void* allocate(size_t bytes);          // never null: throws std::bad_alloc
void release(void* block);             // a pointer from allocate(), or null
size_t block_size(const void* block);  // usable bytes of a block
void empty_cache();                    // gives every cached block back to the system
void set_limit(int64_t bytes);         // trims at once when lower
Stats stats();
void reset_peak();

// Scratch space for the duration of a scope.
class Scratch {
  public:
    explicit Scratch(size_t bytes) : data_(bytes != 0 ? allocate(bytes) : nullptr) {}
    ~Scratch() { release(data_); }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;

    template <class T>
    T* as() const {
        return static_cast<T*>(data_);
    }

  private:
    void* data_;
};

}  // namespace pt::pool
