#include "common/decimal.h"
