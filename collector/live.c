#include "collector/live.h"
