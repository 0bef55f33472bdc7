#pragma once

// The only include of napi.h, so that these settings always precede it.

#define NAPI_VERSION 8
#define NODE_ADDON_API_DISABLE_DEPRECATED

// The build files may have chosen exceptions already (the gyp target node_addon_api_except does).
#ifndef NODE_ADDON_API_CPP_EXCEPTIONS
#define NODE_ADDON_API_CPP_EXCEPTIONS
#endif

// A worker that is being terminated refuses calls at any moment, which napi.h would otherwise take
// for a defect and abort the whole process.
#define NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS

#include <napi.h>
