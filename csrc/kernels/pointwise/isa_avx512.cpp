#include "kernels/pointwise/generic.h"
