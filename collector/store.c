#include "collector/store.h"
