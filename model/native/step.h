// What a native step is told: the layouts that Python fills in.
#pragma once

#include <cstdint>

#include "products.h"

namespace footnote {

struct Layer {
    Matrix qkv, output, gate_up, down;
    const float *attention_norm, *mlp_norm;    // [C]
    const float *after_attention, *after_mlp;  // [C], null without sandwich norms
    const float *query_norm, *key_norm;        // [D], null without
    const float* frequencies;                  // [D / 2] radians a position; layers that turn alike share them
    int64_t window;                            // 0: everything
};

struct Model {
    int64_t layers, width, heads, key_heads, head_width, mlp_width, silu;
    float epsilon, scale;
    const Layer* layer;
    const float* final_norm;
};

struct Cache {
    void *keys, *values;  // [layers, blocks, SPAN, K, D]
    int64_t blocks, is_bfloat16;
};

struct Row {
    const int32_t* table;  // blocks of its sequence
    int64_t position;      // of the new token
};

}  // namespace footnote
