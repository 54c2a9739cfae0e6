#include "agent/queue.h"
