#include "base/pool.h"

#include <sys/mman.h>
#include <unistd.h>

#include <bit>
#include <cstdlib>
#include <mutex>
#include <new>

namespace pt::pool {

namespace {

// Size classes: four per power of two (at most 25 % of a block is waste), from 64 bytes to 2^47.
constexpr int kSmallestLog2 = 6;
constexpr int kClasses = (47 - kSmallestLog2) * 4 + 1;
constexpr size_t kHeader = 64;
constexpr size_t kHugeAlign = size_t{2} << 20;
// Blocks from here on are mapped and unmapped by themselves: a freed one is back with the system at once,
// while the C library may keep it, and does so for as long as something lies behind it.
constexpr size_t kMapped = size_t{256} << 10;

struct Header {
    Header* next;  // in a free list
    uint32_t size_class;
    uint32_t magic;
};
constexpr uint32_t kMagic = 0x70797465;

size_t class_bytes(int c) {
    const int shift = kSmallestLog2 + c / 4;
    return (size_t{1} << shift) + (c % 4) * (size_t{1} << (shift - 2));
}

int class_of(size_t bytes) {
    if (bytes <= 64) return 0;
    const int log2 = std::bit_width(bytes - 1) - 1;  // 2^log2 < bytes <= 2^(log2+1)
    const size_t quarter = size_t{1} << (log2 - 2);
    const size_t part = (bytes - (size_t{1} << log2) + quarter - 1) / quarter;  // 1..4
    return (log2 - kSmallestLog2) * 4 + static_cast<int>(part);
}

struct Pool {
    std::mutex mutex;
    Header* free_lists[kClasses] = {};
    int64_t in_use = 0, cached = 0, peak = 0, hits = 0, misses = 0;
    int64_t limit = int64_t{2} << 30;
};

// Never destroyed: arrays may outlive the module's static objects at interpreter exit.
Pool& pool() {
    alignas(Pool) static unsigned char storage[sizeof(Pool)];
    static Pool* instance = new (storage) Pool();
    return *instance;
}

Header* header_of(void* block) { return reinterpret_cast<Header*>(static_cast<char*>(block) - kHeader); }

// 4 kB on x86-64, up to 64 kB on aarch64.
size_t page_size() {
    static const size_t bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    return bytes;
}

size_t round_up(size_t bytes, size_t align) { return (bytes + align - 1) / align * align; }

// What a block takes from the system, and on which boundary it lies. A large block ends in pages of the usual
// size unless it fills three quarters of its last huge one: with its header a block of 4 MB would take 6 MB.
struct Extent {
    size_t bytes, align;
};

Extent extent_of(int size_class) {
    const size_t bytes = class_bytes(size_class) + kHeader;
    const size_t align = bytes >= kHugeAlign ? kHugeAlign : bytes >= kMapped ? page_size() : 64;
    const bool usual_end = align == kHugeAlign && bytes % kHugeAlign < kHugeAlign / 4 * 3;
    return {round_up(bytes, usual_end ? page_size() : align), align};
}

// More is mapped than asked for, and what lies before and behind the aligned part is given back.
void* map(Extent extent) {
    const size_t slack = extent.align - page_size();
    void* mapped =
        mmap(nullptr, extent.bytes + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) return nullptr;
    char* begin = static_cast<char*>(mapped);
    char* memory = begin + (round_up(reinterpret_cast<uintptr_t>(begin), extent.align) -
                            reinterpret_cast<uintptr_t>(begin));
    const size_t before = static_cast<size_t>(memory - begin);
    if (before > 0) munmap(begin, before);
    if (before < slack) munmap(memory + extent.bytes, slack - before);
    if (extent.align == kHugeAlign) madvise(memory, extent.bytes / kHugeAlign * kHugeAlign, MADV_HUGEPAGE);
    return memory;
}

void system_free(Header* header) {
    const Extent extent = extent_of(static_cast<int>(header->size_class));
    if (extent.align == 64) {
        std::free(header);
    } else {
        munmap(header, extent.bytes);
    }
}

Header* system_allocate(int size_class) {
    const Extent extent = extent_of(size_class);
    void* memory = extent.align == 64 ? std::aligned_alloc(extent.align, extent.bytes) : map(extent);
    if (memory == nullptr) throw std::bad_alloc();
    Header* header = static_cast<Header*>(memory);
    header->size_class = static_cast<uint32_t>(size_class);
    header->magic = kMagic;
    return header;
}

// A free block, or null. A large one may be of up to kLarger classes more than is asked for: keeping one of
// every size that scratch memory ever had would be as much again as what is in use. The caller holds the
// mutex.
constexpr int kLarger = 3;
Header* take(Pool& p, int size_class) {
    int last = class_bytes(size_class) >= kMapped ? size_class + kLarger : size_class;
    if (last >= kClasses) last = kClasses - 1;
    for (int c = size_class; c <= last; ++c) {
        Header* header = p.free_lists[c];
        if (header == nullptr) continue;
        p.free_lists[c] = header->next;
        p.cached -= static_cast<int64_t>(class_bytes(c));
        return header;
    }
    return nullptr;
}

// The caller holds the mutex.
void trim(Pool& p, int64_t limit) {
    for (int c = kClasses - 1; c >= 0 && p.cached > limit; --c) {
        while (p.free_lists[c] != nullptr && p.cached > limit) {
            Header* header = p.free_lists[c];
            p.free_lists[c] = header->next;
            p.cached -= static_cast<int64_t>(class_bytes(c));
            system_free(header);
        }
    }
}

}  // namespace

void* allocate(size_t bytes) {
    if (bytes > (size_t{1} << 47)) throw std::bad_alloc();
    const int c = class_of(bytes);
    int64_t size = static_cast<int64_t>(class_bytes(c));
    Pool& p = pool();
    Header* header = nullptr;
    {
        std::lock_guard lock(p.mutex);
        header = take(p, c);
        if (header != nullptr) {
            size = static_cast<int64_t>(class_bytes(static_cast<int>(header->size_class)));
            ++p.hits;
        } else {
            ++p.misses;
        }
        p.in_use += size;
        if (p.in_use > p.peak) p.peak = p.in_use;
    }
    if (header == nullptr) {
        try {
            header = system_allocate(c);
        } catch (const std::bad_alloc&) {
            empty_cache();  // the memory may be ours, in another size class
            try {
                header = system_allocate(c);
            } catch (const std::bad_alloc&) {
                std::lock_guard lock(p.mutex);
                p.in_use -= size;
                throw;
            }
        }
    }
    return reinterpret_cast<char*>(header) + kHeader;
}

void release(void* block) {
    if (block == nullptr) return;
    Header* header = header_of(block);
    const int c = static_cast<int>(header->size_class);
    const int64_t size = static_cast<int64_t>(class_bytes(c));
    Pool& p = pool();
    {
        std::lock_guard lock(p.mutex);
        p.in_use -= size;
        if (p.cached + size <= p.limit) {
            header->next = p.free_lists[c];
            p.free_lists[c] = header;
            p.cached += size;
            return;
        }
    }
    system_free(header);
}

size_t block_size(const void* block) {
    return class_bytes(static_cast<int>(header_of(const_cast<void*>(block))->size_class));
}

void empty_cache() {
    Pool& p = pool();
    std::lock_guard lock(p.mutex);
    trim(p, 0);
}

void set_limit(int64_t bytes) {
    Pool& p = pool();
    std::lock_guard lock(p.mutex);
    p.limit = bytes;
    trim(p, bytes);
}

Stats stats() {
    Pool& p = pool();
    std::lock_guard lock(p.mutex);
    return {p.in_use, p.cached, p.peak, p.limit, p.hits, p.misses};
}

void reset_peak() {
    Pool& p = pool();
    std::lock_guard lock(p.mutex);
    p.peak = p.in_use;
}

}  // namespace pt::pool
