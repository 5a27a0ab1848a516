/**
 * Closed sets of values that several operations share, as the provider's API document of October 2026 spells
 * them: upper case in v1 and on the legacy routes, lower case in v2.
 */

/** Sizes of 3.0, width x height. */
export const RESOLUTIONS_V3: readonly string[] = words(`
  512x1536 576x1408 576x1472 576x1536 640x1344 640x1408 640x1472 640x1536 704x1152 704x1216 704x1280
  704x1344 704x1408 704x1472 736x1312 768x1088 768x1216 768x1280 768x1344 800x1280 832x960 832x1024
  832x1088 832x1152 832x1216 832x1248 864x1152 896x960 896x1024 896x1088 896x1120 896x1152 960x832
  960x896 960x1024 960x1088 1024x832 1024x896 1024x960 1024x1024 1088x768 1088x832 1088x896 1088x960
  1120x896 1152x704 1152x832 1152x864 1152x896 1216x704 1216x768 1216x832 1248x832 1280x704 1280x768
  1280x800 1312x736 1344x640 1344x704 1344x768 1408x576 1408x640 1408x704 1472x576 1472x640 1472x704
  1536x512 1536x576 1536x640
`);

/** Sizes of the legacy routes. */
export const RESOLUTIONS_LEGACY: readonly string[] = words(`
  512_1536 576_1408 576_1472 576_1536 640_1024 640_1344 640_1408 640_1472 640_1536 704_1152 704_1216
  704_1280 704_1344 704_1408 704_1472 720_1280 736_1312 768_1024 768_1088 768_1152 768_1216 768_1232
  768_1280 768_1344 832_960 832_1024 832_1088 832_1152 832_1216 832_1248 864_1152 896_960 896_1024
  896_1088 896_1120 896_1152 960_832 960_896 960_1024 960_1088 1024_640 1024_768 1024_832 1024_896
  1024_960 1024_1024 1088_768 1088_832 1088_896 1088_960 1120_896 1152_704 1152_768 1152_832 1152_864
  1152_896 1216_704 1216_768 1216_832 1232_768 1248_832 1280_704 1280_720 1280_768 1280_800 1312_736
  1344_640 1344_704 1344_768 1408_576 1408_640 1408_704 1472_576 1472_640 1472_704 1536_512 1536_576
  1536_640
`).map((size) => `RESOLUTION_${size}`);

/** Named looks of 3.0; v2 spells them in lower case. */
export const STYLE_PRESETS: readonly string[] = words(`
  80S_ILLUSTRATION 90S_NOSTALGIA ABSTRACT_ORGANIC ANALOG_NOSTALGIA ART_BRUT ART_DECO ART_POSTER AURA
  AVANT_GARDE BAUHAUS BLUEPRINT BLURRY_MOTION BRIGHT_ART C4D_CARTOON CHILDRENS_BOOK COLLAGE
  COLORING_BOOK_I COLORING_BOOK_II CUBISM DARK_AURA DOODLE DOUBLE_EXPOSURE DRAMATIC_CINEMA EDITORIAL
  EMOTIONAL_MINIMAL ETHEREAL_PARTY EXPIRED_FILM FLAT_ART FLAT_VECTOR FOREST_REVERIE GEO_MINIMALIST
  GLASS_PRISM GOLDEN_HOUR GRAFFITI_I GRAFFITI_II HALFTONE_PRINT HIGH_CONTRAST HIPPIE_ERA ICONIC
  JAPANDI_FUSION JAZZY LONG_EXPOSURE MAGAZINE_EDITORIAL MINIMAL_ILLUSTRATION MIXED_MEDIA MONOCHROME
  NIGHTLIFE OIL_PAINTING OLD_CARTOONS PAINT_GESTURE POP_ART RETRO_ETCHING RIVIERA_POP SPOTLIGHT_80S
  STYLIZED_RED SURREAL_COLLAGE TRAVEL_POSTER VINTAGE_GEO VINTAGE_POSTER WATERCOLOR WEIRD
  WOODBLOCK_PRINT
`);

/** Shapes of 3.0, width x height. */
export const ASPECT_RATIOS: readonly string[] = words(
  '1x3 3x1 1x2 2x1 9x16 16x9 10x16 16x10 2x3 3x2 3x4 4x3 4x5 5x4 1x1',
);

/** Shapes of 4.0, which also go to 1x4 and 4x1. */
export const ASPECT_RATIOS_V4: readonly string[] = words(
  '1x4 1x3 1x2 9x16 10x16 2x3 3x4 4x5 1x1 5x4 4x3 3x2 16x10 16x9 2x1 3x1 4x1',
);

/** Shapes of the legacy routes. */
export const ASPECT_RATIOS_LEGACY: readonly string[] = words(
  '10_16 16_10 9_16 16_9 3_2 2_3 4_3 3_4 1_1 1_3 3_1',
).map((shape) => `ASPECT_${shape}`);

/** Speeds of 3.0 in v1. */
export const SPEEDS_V3: readonly string[] = words('FLASH TURBO BALANCED DEFAULT QUALITY');
/** Speeds of 4.0 in v1. */
export const SPEEDS_V4: readonly string[] = words('FLASH TURBO DEFAULT QUALITY');
/** Speeds of every model in v2. */
export const SPEEDS_V2: readonly string[] = words('turbo default quality');

/** Kinds of look of 3.0; v2 spells them in lower case. */
export const STYLE_TYPES: readonly string[] = words('AUTO GENERAL REALISTIC DESIGN CUSTOM FICTION STYLIZED');
/** Kinds of look of the legacy routes. */
export const STYLE_TYPES_LEGACY: readonly string[] = words(
  'AUTO GENERAL FICTION REALISTIC DESIGN RENDER_3D ANIME CUSTOM STYLIZED',
);

/** Models that the legacy routes can be asked for. */
export const MODELS_LEGACY: readonly string[] = words('V_1 V_1_TURBO V_2 V_2_TURBO V_2A V_2A_TURBO V_3 AUTO');

/** Whether a prompt is rewritten; v2 spells it in lower case. */
export const MAGIC_PROMPT: readonly string[] = words('AUTO ON OFF');
/** Versions of what rewrites a prompt. */
export const MAGIC_PROMPT_VERSIONS: readonly string[] = words(
  'V_0 V_0_1 V_0_2 V_0_3 V_0_4 V_0_5 V_0_6 V_0_7 V_0_8',
);

/** The v2 spelling of a set. */
export function lowerCase(values: readonly string[]): readonly string[] {
  return values.map((value) => value.toLowerCase());
}

function words(text: string): readonly string[] {
  return text.trim().split(/\s+/);
}
