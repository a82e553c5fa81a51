# SPDX-License-Identifier: Apache-2.0
"""GLSL of the renderer: one pass for the shadow map, one for colour and part labels."""

SHADOW_VERTEX = """
#version 330
uniform mat4 light;
uniform mat4 model;
in vec3 position;
void main() { gl_Position = light * model * vec4(position, 1.0); }
"""

SHADOW_FRAGMENT = """
#version 330
void main() {}
"""

VERTEX = """
#version 330
uniform mat4 projection;
uniform mat4 model;
uniform mat4 light;
in vec3 position;
in vec3 normal;
in vec3 colour;
in vec3 rest;
in vec4 surface;   // grain, bump, gloss, softness
in float label;
out vec3 v_position;
out vec3 v_normal;
out vec3 v_colour;
out vec3 v_rest;
out vec4 v_surface;
out vec3 v_shadow;
flat out float v_label;
void main() {
    vec4 p = model * vec4(position, 1.0);
    v_position = p.xyz;
    v_normal = mat3(model) * normal;
    v_colour = colour;
    v_rest = rest;
    v_surface = surface;
    v_label = label;
    vec4 s = light * p;
    v_shadow = s.xyz * 0.5 + 0.5;
    gl_Position = projection * p;
}
"""

# Value noise on a hashed lattice; three octaves give blotches, pores and weave at once.
FRAGMENT = """
#version 330
uniform sampler2D shadow_map;
uniform vec3 key_direction;     // toward the light, camera frame
uniform vec3 key_colour;
uniform vec3 fill_direction;
uniform vec3 fill_colour;
uniform vec3 sky_direction;
uniform vec3 sky_colour;
uniform vec3 ground_colour;
uniform float shadow_strength;
uniform float shadow_softness;
uniform float exposure;
in vec3 v_position;
in vec3 v_normal;
in vec3 v_colour;
in vec3 v_rest;
in vec4 v_surface;
in vec3 v_shadow;
flat in float v_label;
layout(location = 0) out vec4 out_colour;
layout(location = 1) out vec4 out_label;

float hash(vec3 p) {
    p = fract(p * vec3(0.1031, 0.1030, 0.0973));
    p += dot(p, p.yxz + 33.33);
    return fract((p.x + p.y) * p.z);
}
float noise(vec3 p) {
    vec3 i = floor(p), f = fract(p);
    f = f * f * (3.0 - 2.0 * f);
    return mix(
        mix(mix(hash(i), hash(i + vec3(1, 0, 0)), f.x),
            mix(hash(i + vec3(0, 1, 0)), hash(i + vec3(1, 1, 0)), f.x), f.y),
        mix(mix(hash(i + vec3(0, 0, 1)), hash(i + vec3(1, 0, 1)), f.x),
            mix(hash(i + vec3(0, 1, 1)), hash(i + vec3(1, 1, 1)), f.x), f.y), f.z);
}
float lit() {
    if (shadow_strength <= 0.0) return 1.0;
    float visible = 0.0;
    vec2 texel = shadow_softness / vec2(textureSize(shadow_map, 0));
    for (int x = -1; x <= 1; ++x)
        for (int y = -1; y <= 1; ++y)
        {
            float nearest = texture(shadow_map, v_shadow.xy + texel * vec2(x, y)).r;
            visible += step(v_shadow.z - 0.004, nearest);
        }
    return mix(1.0, visible / 9.0, shadow_strength);
}
void main() {
    vec3 n = normalize(v_normal);
    vec3 view = normalize(-v_position);
    if (dot(n, view) < 0.0) n = -n;
    float coarse = noise(v_rest * 55.0);
    float fine = noise(v_rest * 420.0);
    vec3 albedo = v_colour * (1.0 + v_surface.x * ((coarse - 0.5) * 1.1 + (fine - 0.5) * 0.5));
    if (v_surface.y > 0.0) {
        vec3 q = v_rest * 600.0;
        vec3 ahead = vec3(noise(q + vec3(0.5, 0, 0)), noise(q + vec3(0, 0.5, 0)),
                          noise(q + vec3(0, 0, 0.5)));
        n = normalize(n - v_surface.y * (ahead - noise(q)));
    }
    float shade = lit();
    float wrap = v_surface.w;
    float cosine = dot(n, key_direction);
    float diffuse = max((cosine + 0.35 * wrap) / (1.0 + 0.35 * wrap), 0.0);
    // Light that went through skin comes out red at the terminator.
    float terminator = smoothstep(-0.35, 0.1, cosine) * (1.0 - smoothstep(0.1, 0.6, cosine));
    vec3 through = wrap * terminator * vec3(0.16, 0.03, 0.015);
    vec3 light = key_colour * (diffuse * shade + through);
    light += fill_colour * max(dot(n, fill_direction) * 0.8 + 0.2, 0.0);
    light += mix(ground_colour, sky_colour, dot(n, sky_direction) * 0.5 + 0.5);
    vec3 middle = normalize(key_direction + view);
    float power = mix(12.0, 70.0, v_surface.z);
    float gloss = v_surface.z * 0.45 * pow(max(dot(n, middle), 0.0), power) * shade;
    float rim = v_surface.z * 0.12 * pow(1.0 - max(dot(n, view), 0.0), 4.0);
    vec3 colour = exposure * (albedo * light + key_colour * gloss + sky_colour * rim);
    out_colour = vec4(pow(clamp(colour, 0.0, 1.0), vec3(1.0 / 2.2)), 1.0);
    out_label = vec4(v_label / 255.0, 0.0, 0.0, 1.0);
}
"""
