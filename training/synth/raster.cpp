// SPDX-License-Identifier: Apache-2.0
// Draws triangle meshes, a batch of pictures at a time: coverage, shadow map, shading.
//
// One source for both devices: the C++ compiler makes loops of it, nvcc (-x cu) makes kernels.
// All arrays are dense, row-major float32 unless said otherwise; B pictures, V vertices, F faces.
// Screen coordinates are in samples, (0, 0) the first sample's centre; q is linear on the screen
// and larger is nearer (1/z for a pinhole camera), not positive where a vertex cannot be seen.

#include <cmath>
#include <cstdint>
#include <cstring>

#ifdef __CUDACC__
#define HD __host__ __device__ __forceinline__
#else
#define HD static inline
#endif

typedef unsigned long long Key;  // bits of q, then the face's number plus one; 0 is nothing

struct Scene {
    const float *screen;           // B V 3: x, y, q
    const float *position;         // B V 3, camera frame, metres
    const float *normal;           // B V 3, unit
    const float *colour;           // B V 4: linear RGB, gloss to add
    const float *rest;             // B V 3: where the noise sticks, metres
    const int32_t *faces;          // F 3
    const uint8_t *material;       // B F
    const uint8_t *label;          // B F, HIDDEN where the face is not drawn
    const float *materials;        // B M 8: RGB (negative: the vertices'), grain, bump, gloss, wrap, 0
    const float *light;            // B 24: see LIGHT in raster.py
    const float *shadow_transform; // B 12: camera frame to shadow texels and q, rows of 4
    const Key *shadow;             // B T T
    const float *spheres;          // B N 4: centre, radius; what takes skylight away
    const Key *cover;              // B H*S W*S
    uint8_t *rgba;                 // B H W 4, sRGB with gamma 2.2, premultiplied coverage
    uint8_t *out_label;            // B H W
    float *depth;                  // B H W, metres, 0 where nothing is
    int32_t B, V, F, M, T, N, H, W, S;
};

static const uint8_t HIDDEN = 255;

struct V3 {
    float x, y, z;
};
HD V3 v3(float x, float y, float z) { V3 v = {x, y, z}; return v; }
HD V3 load(const float *p) { return v3(p[0], p[1], p[2]); }
HD V3 operator+(V3 a, V3 b) { return v3(a.x + b.x, a.y + b.y, a.z + b.z); }
HD V3 operator-(V3 a, V3 b) { return v3(a.x - b.x, a.y - b.y, a.z - b.z); }
HD V3 operator*(V3 a, V3 b) { return v3(a.x * b.x, a.y * b.y, a.z * b.z); }
HD V3 operator*(V3 a, float s) { return v3(a.x * s, a.y * s, a.z * s); }
HD float dot(V3 a, V3 b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
HD V3 cross(V3 a, V3 b) {
    return v3(a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x);
}
HD V3 unit(V3 a) { return a * (1.0f / sqrtf(fmaxf(dot(a, a), 1e-20f))); }
HD float clamp01(float x) { return fminf(fmaxf(x, 0.0f), 1.0f); }
HD float mixf(float a, float b, float t) { return a + t * (b - a); }
HD V3 mix3(V3 a, V3 b, float t) { return a + (b - a) * t; }
HD float smooth(float a, float b, float x) {
    float t = clamp01((x - a) / (b - a));
    return t * t * (3.0f - 2.0f * t);
}

HD uint32_t float_bits(float f) {
    uint32_t u;
    memcpy(&u, &f, 4);
    return u;
}
HD float key_q(Key k) {
    uint32_t u = (uint32_t)(k >> 32);
    float f;
    memcpy(&f, &u, 4);
    return f;
}
HD int key_face(Key k) { return (int)(uint32_t)k - 1; }

HD void keep_nearest(Key *at, Key key) {
#ifdef __CUDA_ARCH__
    atomicMax(at, key);
#else
    if (key > *at) *at = key;
#endif
}

// One triangle into one picture; `lanes` workers share its bounding box.
HD void cover_face(const float *screen, const int32_t *face, int number, Key *cover, int width,
                   int height, int lane, int lanes) {
    const float *a = screen + 3 * face[0], *b = screen + 3 * face[1], *c = screen + 3 * face[2];
    if (!(a[2] > 0.0f && b[2] > 0.0f && c[2] > 0.0f)) return;
    float area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
    if (!(fabsf(area) > 1e-9f)) return;
    float left = fmaxf(ceilf(fminf(a[0], fminf(b[0], c[0]))), 0.0f);
    float right = fminf(floorf(fmaxf(a[0], fmaxf(b[0], c[0]))), (float)(width - 1));
    float top = fmaxf(ceilf(fminf(a[1], fminf(b[1], c[1]))), 0.0f);
    float bottom = fminf(floorf(fmaxf(a[1], fmaxf(b[1], c[1]))), (float)(height - 1));
    if (!(left <= right && top <= bottom)) return;
    int x0 = (int)left, y0 = (int)top, columns = (int)right - x0 + 1, rows = (int)bottom - y0 + 1;
    float inverse = 1.0f / area;
    for (int i = lane; i < columns * rows; i += lanes) {
        int x = x0 + i % columns, y = y0 + i / columns;
        float wa = ((b[0] - x) * (c[1] - y) - (b[1] - y) * (c[0] - x)) * inverse;
        float wb = ((c[0] - x) * (a[1] - y) - (c[1] - y) * (a[0] - x)) * inverse;
        float wc = 1.0f - wa - wb;
        if (wa < 0.0f || wb < 0.0f || wc < 0.0f) continue;
        float q = wa * a[2] + wb * b[2] + wc * c[2];
        Key key = ((Key)float_bits(q) << 32) | (Key)(uint32_t)(number + 1);
        keep_nearest(cover + (size_t)y * width + x, key);
    }
}

HD float hashed(float x, float y, float z) {
    x *= 0.1031f; y *= 0.1030f; z *= 0.0973f;
    x -= floorf(x); y -= floorf(y); z -= floorf(z);
    float d = x * (y + 33.33f) + y * (x + 33.33f) + z * (z + 33.33f);
    x += d; y += d; z += d;
    float f = (x + y) * z;
    return f - floorf(f);
}
// Value noise on a hashed lattice, 0 to 1.
HD float noise(V3 p) {
    float ix = floorf(p.x), iy = floorf(p.y), iz = floorf(p.z);
    float fx = p.x - ix, fy = p.y - iy, fz = p.z - iz;
    fx *= fx * (3 - 2 * fx); fy *= fy * (3 - 2 * fy); fz *= fz * (3 - 2 * fz);
    float near = mixf(mixf(hashed(ix, iy, iz), hashed(ix + 1, iy, iz), fx),
                      mixf(hashed(ix, iy + 1, iz), hashed(ix + 1, iy + 1, iz), fx), fy);
    float far = mixf(mixf(hashed(ix, iy, iz + 1), hashed(ix + 1, iy, iz + 1), fx),
                     mixf(hashed(ix, iy + 1, iz + 1), hashed(ix + 1, iy + 1, iz + 1), fx), fy);
    return mixf(near, far, fz);
}

struct Light {
    V3 key_direction, key_colour, fill_direction, fill_colour, sky_direction, sky_colour, ground;
    float shadow_strength, shadow_softness, exposure;
};
HD Light load_light(const float *p) {
    Light l = {load(p), load(p + 3), load(p + 6), load(p + 9), load(p + 12), load(p + 15),
               load(p + 18), p[21], p[22], p[23]};
    return l;
}

HD float lit(const Scene &s, int picture, V3 p, V3 n, const Light &light) {
    if (light.shadow_strength <= 0.0f) return 1.0f;
    const float *t = s.shadow_transform + 12 * picture;
    p = p + n * 0.002f;
    float x = t[0] * p.x + t[1] * p.y + t[2] * p.z + t[3];
    float y = t[4] * p.x + t[5] * p.y + t[6] * p.z + t[7];
    float q = t[8] * p.x + t[9] * p.y + t[10] * p.z + t[11];
    const Key *map = s.shadow + (size_t)picture * s.T * s.T;
    int seen = 0;
    for (int i = 0; i < 9; ++i) {
        int u = (int)floorf(x + (i % 3 - 1) * light.shadow_softness + 0.5f);
        int v = (int)floorf(y + (i / 3 - 1) * light.shadow_softness + 0.5f);
        bool inside = u >= 0 && v >= 0 && u < s.T && v < s.T;
        seen += !inside || key_q(map[(size_t)v * s.T + u]) <= q + 0.004f;
    }
    return mixf(1.0f, seen / 9.0f, light.shadow_strength);
}

// Share of the sky that spheres along the bones leave to a point of the surface.
HD float skylight(const Scene &s, int picture, V3 p, V3 n) {
    float open = 1.0f;
    const float *sphere = s.spheres + (size_t)4 * s.N * picture;
    for (int i = 0; i < s.N; ++i, sphere += 4) {
        V3 d = load(sphere) - p;
        float square = fmaxf(dot(d, d), 1e-8f), distance = sqrtf(square);
        float facing = dot(n, d) / distance;
        if (facing <= 0.0f) continue;
        open *= 1.0f - 0.75f * facing * fminf(sphere[3] * sphere[3] / square, 1.0f);
    }
    return open;
}

// Colour of one point of a face, display RGB in 0..1.
HD V3 shade(const Scene &s, int picture, int face, float wa, float wb, float wc) {
    const int32_t *f = s.faces + 3 * face;
    size_t base = (size_t)picture * s.V;
    size_t ia = base + f[0], ib = base + f[1], ic = base + f[2];
#define AT(array, stride) \
    (load(s.array + stride * ia) * wa + load(s.array + stride * ib) * wb + \
     load(s.array + stride * ic) * wc)
    V3 position = AT(position, 3), n = unit(AT(normal, 3)), rest = AT(rest, 3);
    V3 albedo = AT(colour, 4);
#undef AT
    float gloss = s.colour[4 * ia + 3] * wa + s.colour[4 * ib + 3] * wb + s.colour[4 * ic + 3] * wc;
    const float *m = s.materials + 8 * ((size_t)picture * s.M + s.material[(size_t)picture * s.F + face]);
    if (m[0] >= 0.0f) { albedo = load(m); gloss = 0.0f; }
    float grain = m[3], bump = m[4], wrap = m[6];
    gloss = clamp01(gloss + m[5]);
    V3 view = unit(position * -1.0f);
    if (dot(n, view) < 0.0f) n = n * -1.0f;
    float coarse = noise(rest * 55.0f), fine = noise(rest * 420.0f);
    albedo = albedo * (1.0f + grain * ((coarse - 0.5f) * 1.1f + (fine - 0.5f) * 0.5f));
    if (bump > 0.0f) {
        V3 p = rest * 600.0f;
        float here = noise(p);
        V3 slope = v3(noise(p + v3(0.5f, 0, 0)) - here, noise(p + v3(0, 0.5f, 0)) - here,
                      noise(p + v3(0, 0, 0.5f)) - here);
        n = unit(n - slope * bump);
    }
    Light light = load_light(s.light + 24 * picture);
    float shadow = lit(s, picture, position, n, light), open = skylight(s, picture, position, n);
    float cosine = dot(n, light.key_direction);
    float diffuse = fmaxf((cosine + 0.35f * wrap) / (1.0f + 0.35f * wrap), 0.0f);
    // Light that went through skin comes out red at the terminator.
    float through = wrap * smooth(-0.35f, 0.1f, cosine) * (1.0f - smooth(0.1f, 0.6f, cosine));
    V3 sum = light.key_colour * (v3(0.16f, 0.03f, 0.015f) * through + v3(1, 1, 1) * (diffuse * shadow));
    sum = sum + light.fill_colour * (open * fmaxf(dot(n, light.fill_direction) * 0.8f + 0.2f, 0.0f));
    float up = dot(n, light.sky_direction) * 0.5f + 0.5f;
    sum = sum + mix3(light.ground, light.sky_colour, up) * open;
    V3 middle = unit(light.key_direction + view);
    float highlight = gloss * 0.45f * powf(fmaxf(dot(n, middle), 0.0f), mixf(12.0f, 70.0f, gloss)) * shadow;
    float rim = gloss * 0.12f * powf(1.0f - fmaxf(dot(n, view), 0.0f), 4.0f) * open;
    V3 c = (albedo * sum + light.key_colour * highlight + light.sky_colour * rim) * light.exposure;
    const float gamma = 1.0f / 2.2f;
    return v3(powf(clamp01(c.x), gamma), powf(clamp01(c.y), gamma), powf(clamp01(c.z), gamma));
}

// Perspective weights of sample (x, y) in a face, and its depth.
HD V3 weights(const Scene &s, int picture, int face, float x, float y, float *depth) {
    const float *screen = s.screen + (size_t)3 * s.V * picture;
    const int32_t *f = s.faces + 3 * face;
    const float *a = screen + 3 * f[0], *b = screen + 3 * f[1], *c = screen + 3 * f[2];
    float area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
    float wa = ((b[0] - x) * (c[1] - y) - (b[1] - y) * (c[0] - x)) / area;
    float wb = ((c[0] - x) * (a[1] - y) - (c[1] - y) * (a[0] - x)) / area;
    V3 w = v3(wa * a[2], wb * b[2], (1.0f - wa - wb) * c[2]);
    *depth = 1.0f / (w.x + w.y + w.z);
    return w * *depth;
}

// One pixel: samples of one material are shaded once, where the first of them lies.
HD void shade_pixel(const Scene &s, int picture, int px, int py) {
    int width = s.W * s.S, height = s.H * s.S, total = s.S * s.S, middle = s.S / 2;
    const Key *cover = s.cover + (size_t)picture * width * height;
    const uint8_t *material = s.material + (size_t)picture * s.F;
    size_t pixel = ((size_t)picture * s.H + py) * s.W + px;
    V3 sum = v3(0, 0, 0), last = v3(0, 0, 0);
    int covered = 0, shaded = -1;
    for (int i = 0; i < total; ++i) {
        int x = px * s.S + i % s.S, y = py * s.S + i / s.S;
        int face = key_face(cover[(size_t)y * width + x]);
        if (face < 0) continue;
        if (material[face] != shaded) {
            float depth;
            V3 w = weights(s, picture, face, (float)x, (float)y, &depth);
            last = shade(s, picture, face, w.x, w.y, w.z);
            shaded = material[face];
        }
        sum = sum + last;
        ++covered;
    }
    float scale = 255.0f / total;
    uint8_t *out = s.rgba + 4 * pixel;
    out[0] = (uint8_t)(sum.x * scale + 0.5f);
    out[1] = (uint8_t)(sum.y * scale + 0.5f);
    out[2] = (uint8_t)(sum.z * scale + 0.5f);
    out[3] = (uint8_t)(covered * scale + 0.5f);
    Key key = cover[(size_t)(py * s.S + middle) * width + px * s.S + middle];
    int face = key_face(key);
    s.out_label[pixel] = face < 0 ? 0 : s.label[(size_t)picture * s.F + face];
    s.depth[pixel] = face < 0 ? 0.0f : 1.0f / key_q(key);
}

// Unit normal of a vertex: its faces' normals, weighed by area.
HD void vertex_normal(const float *position, const int32_t *faces, const int32_t *start,
                      const int32_t *around, int vertex, float *out) {
    V3 sum = v3(0, 0, 0);
    for (int i = start[vertex]; i < start[vertex + 1]; ++i) {
        const int32_t *f = faces + 3 * around[i];
        V3 a = load(position + 3 * f[0]);
        sum = sum + cross(load(position + 3 * f[1]) - a, load(position + 3 * f[2]) - a);
    }
    sum = unit(sum);
    out[0] = sum.x; out[1] = sum.y; out[2] = sum.z;
}

#ifdef __CUDACC__
#define LANES 32

__global__ void cover_kernel(const float *screen, const int32_t *faces, const uint8_t *label, Key *cover,
                             int V, int F, int width, int height) {
    int face = blockIdx.x * (blockDim.x / LANES) + threadIdx.x / LANES, picture = blockIdx.y;
    if (face >= F || label[(size_t)picture * F + face] == HIDDEN) return;
    cover_face(screen + (size_t)3 * V * picture, faces + 3 * face, face,
               cover + (size_t)picture * width * height, width, height, threadIdx.x % LANES, LANES);
}
__global__ void shade_kernel(Scene s) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < s.H * s.W) shade_pixel(s, blockIdx.y, i % s.W, i / s.W);
}
__global__ void normal_kernel(const float *position, const int32_t *faces, const int32_t *start,
                              const int32_t *around, float *out, int V) {
    int vertex = blockIdx.x * blockDim.x + threadIdx.x;
    size_t base = (size_t)3 * V * blockIdx.y;
    if (vertex < V) vertex_normal(position + base, faces, start, around, vertex, out + base + 3 * vertex);
}

extern "C" {
int cover_faces(const float *screen, const int32_t *faces, const uint8_t *label, Key *cover, int B, int V,
                int F, int width, int height, void *stream) {
    const int block = 256, each = block / LANES;
    cover_kernel<<<dim3((F + each - 1) / each, B), block, 0, (cudaStream_t)stream>>>(
        screen, faces, label, cover, V, F, width, height);
    return (int)cudaGetLastError();
}
int shade_pixels(const Scene *s, void *stream) {
    const int block = 128;
    shade_kernel<<<dim3((s->H * s->W + block - 1) / block, s->B), block, 0, (cudaStream_t)stream>>>(*s);
    return (int)cudaGetLastError();
}
int vertex_normals(const float *position, const int32_t *faces, const int32_t *start, const int32_t *around,
                   float *out, int B, int V, void *stream) {
    const int block = 128;
    normal_kernel<<<dim3((V + block - 1) / block, B), block, 0, (cudaStream_t)stream>>>(
        position, faces, start, around, out, V);
    return (int)cudaGetLastError();
}
}
#else
extern "C" {
int cover_faces(const float *screen, const int32_t *faces, const uint8_t *label, Key *cover, int B, int V,
                int F, int width, int height, void *) {
#pragma omp parallel for schedule(dynamic)
    for (int picture = 0; picture < B; ++picture)
        for (int face = 0; face < F; ++face)
            if (label[(size_t)picture * F + face] != HIDDEN)
                cover_face(screen + (size_t)3 * V * picture, faces + 3 * face, face,
                           cover + (size_t)picture * width * height, width, height, 0, 1);
    return 0;
}
int shade_pixels(const Scene *s, void *) {
#pragma omp parallel for schedule(dynamic)
    for (int picture = 0; picture < s->B; ++picture)
        for (int i = 0; i < s->H * s->W; ++i) shade_pixel(*s, picture, i % s->W, i / s->W);
    return 0;
}
int vertex_normals(const float *position, const int32_t *faces, const int32_t *start, const int32_t *around,
                   float *out, int B, int V, void *) {
#pragma omp parallel for
    for (int picture = 0; picture < B; ++picture)
        for (int vertex = 0; vertex < V; ++vertex) {
            size_t base = (size_t)3 * V * picture;
            vertex_normal(position + base, faces, start, around, vertex, out + base + 3 * vertex);
        }
    return 0;
}
}
#endif
