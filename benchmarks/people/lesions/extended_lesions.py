"""Lesions of whole regions as they look on T1: infarcts, gliosis, infiltration, white matter.

Each function draws one person's lesions into a canvas. `conspicuity` says how far from healthy
tissue to their full look they come, 0 to 1.
"""

import numpy as np

from benchmarks.people.lesions.canvas import Canvas


def wedge_infarct(canvas: Canvas, conspicuity: float) -> None:
    """A cortical infarct: a wedge with its base at the surface, full of fluid when old."""
    anatomy, rng = canvas.anatomy, canvas.rng
    fluid, grey, white = anatomy.levels
    place = canvas.pick((anatomy.depth > 1) & (anatomy.depth < 4))
    axis = canvas.inward(place, anatomy.depth)
    length = float(rng.uniform(12.0, 42.0))
    opening = np.tan(np.radians(rng.uniform(18.0, 38.0)))
    apex = place + axis * length
    down = -canvas.along(apex, axis)
    across = np.sqrt(np.maximum(canvas.distance(apex) ** 2 - down**2, 0))
    uneven = 2.5 * canvas.unevenness(8.0)
    wedge = np.minimum(down * opening - across, down) + uneven
    wedge = np.minimum(wedge, length + 10.0 - canvas.distance(apex))
    gliosis = canvas.soft(wedge.astype(np.float32) + 2.0, 3.0)
    canvas.darken(0.3 * conspicuity * gliosis * anatomy.white)
    old = rng.uniform() < 0.6
    full = 0.92 * fluid + 0.08 * grey if old else 0.45 * fluid + 0.55 * grey
    target = canvas.signal + conspicuity * (full - canvas.signal)
    target = np.minimum(target, 0.9 * white)
    canvas.paint(
        canvas.soft(wedge.astype(np.float32), 2.5), target.astype(np.float32), unevenness=0.06
    )


def territory_infarct(canvas: Canvas, conspicuity: float) -> None:
    """An infarct of a large artery's territory: up to a third of a hemisphere."""
    anatomy, rng = canvas.anatomy, canvas.rng
    fluid, grey, _ = anatomy.levels
    side = float(rng.choice((-1.0, 1.0)))
    lateral = side * anatomy.beside_midline
    place = canvas.pick(anatomy.brain * ((lateral > 27) & (anatomy.depth > 8)))
    radius = float(rng.uniform(20.0, 34.0))
    shape = canvas.ellipsoid(place, (1.2 * radius, radius, 0.8 * radius), roughness=0.2)
    shape = np.minimum(shape, lateral - 1.5 + canvas.unevenness(6.0)).astype(np.float32)
    old = rng.uniform() < 0.5
    if not old:
        # Some days old: swollen, and darker in all it holds.
        canvas.push(place, radius, 0.08)
        canvas.darken(0.45 * conspicuity * canvas.soft(shape, 4.0) * (1 - anatomy.fluid))
        return
    # Old: cysts with strands of gliotic tissue between.
    strands = np.clip(0.5 + 0.6 * canvas.unevenness(6.0), 0, 1)
    cyst = fluid + strands * 0.6 * (grey - fluid)
    target = canvas.signal + conspicuity * np.minimum(cyst - canvas.signal, 0)
    canvas.paint(canvas.soft(shape, 3.0), target.astype(np.float32), unevenness=0.04)


def infiltration(canvas: Canvas, conspicuity: float) -> None:
    """A diffuse low-grade glioma: large, evenly and little darker, swollen, without sharp edge."""
    anatomy, rng = canvas.anatomy, canvas.rng
    fluid, grey, white = anatomy.levels
    side = float(rng.choice((-1.0, 1.0)))
    lateral = side * anatomy.beside_midline
    place = canvas.pick((1 - anatomy.fluid) * ((anatomy.depth > 12) & (lateral > 10)))
    radius = float(rng.uniform(12.0, 32.0))
    canvas.push(place, radius, float(rng.uniform(0.1, 0.3)))
    shape = canvas.ellipsoid(place, (1.2 * radius, radius, 0.8 * radius), roughness=0.25)
    share = canvas.soft(np.minimum(shape, lateral).astype(np.float32), 6.0)
    target = 0.25 * fluid + 0.75 * grey
    mixed = canvas.signal + (0.4 + 0.5 * conspicuity) * (target - canvas.signal)
    solid = np.where(anatomy.fluid > 0.6, canvas.signal, mixed)
    canvas.paint(share, np.minimum(solid, white).astype(np.float32), unevenness=0.05)


def contusion(canvas: Canvas, conspicuity: float) -> None:
    """Gliosis and loss of tissue at the surface, as after a contusion."""
    anatomy, rng = canvas.anatomy, canvas.rng
    fluid, grey, white = anatomy.levels
    place = canvas.pick((anatomy.depth > 3) & (anatomy.depth < 9))
    radius = float(rng.uniform(6.0, 18.0))
    axis = canvas.inward(place, anatomy.depth)
    canvas.push(place, radius, -0.15)
    shape = canvas.ellipsoid(place, (0.55 * radius, radius), axis=axis, roughness=0.3)
    full = 0.6 * fluid + 0.4 * grey
    target = canvas.signal + 0.8 * conspicuity * (full - canvas.signal)
    canvas.paint(
        canvas.soft(shape, 4.0), np.minimum(target, white).astype(np.float32), unevenness=0.08
    )


def white_matter_change(canvas: Canvas, conspicuity: float) -> None:
    """Small-vessel disease: caps and bands around the ventricles, and patches farther out."""
    anatomy, rng = canvas.anatomy, canvas.rng
    reach = float(rng.uniform(4.0, 13.0))
    bands = reach + 3.0 * canvas.unevenness(14.0) - anatomy.to_ventricles
    share = canvas.soft(bands.astype(np.float32), 4.0)
    patches = canvas.unevenness(7.0) - float(rng.uniform(1.3, 1.9))
    # Patches lie in deep white matter, not below the cortex.
    deep = np.clip((anatomy.depth - 14) / 4, 0, 1) * (anatomy.to_ventricles < 3 * reach)
    share = np.maximum(share, np.clip(2 * patches, 0, 1) * deep)
    # Around the lateral ventricles, not in the brainstem.
    share = share * np.clip((anatomy.above_centre + 5) / 6, 0, 1)
    canvas.darken((0.5 * conspicuity * share * anatomy.white).astype(np.float32))


def dysplasia(canvas: Canvas, conspicuity: float) -> None:
    """A focal cortical dysplasia: thick cortex whose border to the white matter is blurred."""
    anatomy, rng = canvas.anatomy, canvas.rng
    grey = anatomy.levels[1]
    border = anatomy.grey * (1 - anatomy.fluid) * ((anatomy.depth > 3) & (anatomy.depth < 16))
    place = canvas.pick(border)
    radius = float(rng.uniform(6.0, 14.0))
    shape = canvas.ellipsoid(place, (radius, 0.8 * radius), roughness=0.25)
    share = canvas.soft(shape, 4.0) * np.clip(2 * anatomy.white, 0, 1)
    target = canvas.signal + (0.4 + 0.6 * conspicuity) * (grey - canvas.signal)
    canvas.paint(share, target.astype(np.float32), unevenness=0.02)
