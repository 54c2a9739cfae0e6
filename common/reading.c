#include "common/reading.h"
