#include "common/encoder.h"
