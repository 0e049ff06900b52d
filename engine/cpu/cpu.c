#include "engine/plan/backend.h"
