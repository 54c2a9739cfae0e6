#include "common/series.h"
