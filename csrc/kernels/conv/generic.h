// The kernels of one level; see problem.h for what they are given.
#pragma once

#include "kernels/conv/forward.h"
#include "kernels/conv/grad_weight.h"
