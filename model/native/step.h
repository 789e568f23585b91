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

enum Element : int64_t { FLOAT32, BFLOAT16, INT8 };

struct Cache {
    void *keys, *values;                   // [layers, blocks, SPAN, K, D]
    uint16_t *key_scales, *value_scales;   // bfloat16 [layers, blocks, SPAN, K, D / 32] of int8, else null
    int64_t blocks;
    Element element;
};

struct Row {
    const int32_t* table;  // blocks of its sequence
    int64_t position;      // of the new token
};

}  // namespace footnote
