#include "engine/post/decoder.h"
