#include "bindings/bindings.h"

#include "base/cpu_level.h"
#include "base/parallel.h"
#include "base/pool.h"

namespace pt {

void bind_base(py::module_& m) {
    m.def("set_num_threads", &set_num_threads);
    m.def("get_num_threads", &num_threads);
    m.def("cpu_level", [] { return cpu_level_name(cpu_level()); });
    m.def("best_cpu_level", [] { return cpu_level_name(best_cpu_level()); });
    m.def("set_cpu_level", [](const std::string& name) { set_cpu_level(parse_cpu_level(name.c_str())); });
    m.def("register_bfloat16", &register_bfloat16);

    m.def("pool_empty_cache", &pool::empty_cache);
    m.def("pool_set_limit", &pool::set_limit);
    m.def("pool_reset_peak", &pool::reset_peak);
    m.def("pool_stats", [] {
        const pool::Stats s = pool::stats();
        py::dict d;
        d["in_use_bytes"] = s.in_use_bytes;
        d["cached_bytes"] = s.cached_bytes;
        d["peak_bytes"] = s.peak_bytes;
        d["limit_bytes"] = s.limit_bytes;
        d["hits"] = s.hits;
        d["misses"] = s.misses;
        return d;
    });
    m.def("new_array", [](const std::vector<int64_t>& shape, int type_number) {
        PyArray_Descr* descr = PyArray_DescrFromType(type_number);
        if (descr == nullptr) throw py::error_already_set();
        Py_DECREF(descr);
        for (int i = 0; i < static_cast<int>(DType::unsupported); ++i)
            if (i != static_cast<int>(DType::bfloat16) && numpy_type(static_cast<DType>(i)) == type_number)
                return make_array(shape, static_cast<DType>(i));
        return make_array(shape, DType::bfloat16);
    });
}

}  // namespace pt
