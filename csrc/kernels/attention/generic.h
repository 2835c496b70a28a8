#include "kernels/attention/backward.h"
#include "kernels/attention/forward.h"
