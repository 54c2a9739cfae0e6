#include "common/exposition.h"
