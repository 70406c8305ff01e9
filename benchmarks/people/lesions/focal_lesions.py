"""Focal lesions as they look on T1: plaques, lacunes, bleeds, cavernomas, masses.

Each function draws one person's lesions into a canvas. `conspicuity` says how far from healthy
tissue to their full look they come, 0 to 1.
"""

import numpy as np

from benchmarks.people.lesions.canvas import Canvas


def plaques(canvas: Canvas, conspicuity: float) -> None:
    """Multiple sclerosis: dark ovoid foci that stand upright on the ventricles, and some apart."""
    anatomy, rng = canvas.anatomy, canvas.rng
    fluid, grey, white = anatomy.levels
    near = anatomy.white * np.exp(-(((anatomy.to_ventricles - 5.0) / 4.0) ** 2))
    below_cortex = anatomy.white * ((anatomy.depth > 5) & (anatomy.depth < 14))
    for _ in range(int(rng.integers(3, 13))):
        periventricular = rng.uniform() < 0.7
        place = canvas.pick(near if periventricular else below_cortex)
        across = float(rng.uniform(1.5, 4.0))
        long = across * float(rng.uniform(1.0, 2.4))
        axis = canvas.inward(place, anatomy.to_ventricles) if periventricular else None
        shape = canvas.ellipsoid(place, (long, across), axis=axis, roughness=0.15)
        dark = float(np.clip(conspicuity * rng.uniform(0.6, 1.2), 0.2, 1.0))
        target = white + dark * (0.35 * fluid + 0.65 * grey - white)
        canvas.paint(canvas.soft(shape, 1.0) * (1 - anatomy.fluid), target, unevenness=0.03)


def lacunes(canvas: Canvas, conspicuity: float) -> None:
    """Old small infarcts of the deep nuclei and deep white matter: small holes of fluid."""
    anatomy, rng = canvas.anatomy, canvas.rng
    fluid, grey, _ = anatomy.levels
    deep = (1 - anatomy.fluid) * ((anatomy.to_ventricles > 4) & (anatomy.to_ventricles < 18))
    deep = deep * (anatomy.depth > 18)
    for _ in range(int(rng.integers(1, 5))):
        place = canvas.pick(deep)
        radius = float(rng.uniform(1.5, 5.5))
        shape = canvas.ellipsoid(place, (radius, 0.75 * radius, 0.85 * radius), roughness=0.15)
        gliosis = canvas.soft(shape + 1.2, 1.0) * (1 - anatomy.fluid)
        canvas.paint(gliosis, grey, unevenness=0.02)
        target = grey + conspicuity * (fluid - grey)
        canvas.paint(canvas.soft(shape, 0.8), target, unevenness=0.02)


def haemorrhage(canvas: Canvas, conspicuity: float) -> None:
    """A bleed: bright with a dark rim when some weeks old, dark grey when fresh; oedema around."""
    anatomy, rng = canvas.anatomy, canvas.rng
    fluid, grey, white = anatomy.levels
    place = canvas.pick((1 - anatomy.fluid) * (anatomy.depth > 10))
    radius = float(rng.uniform(3.5, 18.0))
    late = rng.uniform() < 0.65
    canvas.push(place, radius, float(rng.uniform(0.2, 0.6)) * (0.5 if late else 1.0))
    shape = canvas.ellipsoid(place, (radius, 0.8 * radius, 0.65 * radius), roughness=0.2)
    oedema = canvas.soft(shape + rng.uniform(2.0, 6.0), 3.0) * anatomy.white
    canvas.darken(0.25 * conspicuity * oedema)
    if not late:
        canvas.paint(
            canvas.soft(shape, 1.5), white + conspicuity * (0.6 * grey + 0.4 * fluid - white)
        )
        return
    rim = max(1.0, 0.12 * radius)
    canvas.paint(canvas.soft(shape, 1.0), grey + conspicuity * (0.6 * fluid - grey))
    bright = white * (1 + 0.5 * conspicuity * float(rng.uniform(0.4, 1.0)))
    canvas.paint(canvas.soft(shape - rim, 1.5), bright, unevenness=0.12)


def cavernoma(canvas: Canvas, conspicuity: float) -> None:
    """A small mulberry of bright and dark chambers in a dark rim, without oedema."""
    anatomy, rng = canvas.anatomy, canvas.rng
    fluid, grey, white = anatomy.levels
    for _ in range(1 if rng.uniform() < 0.7 else int(rng.integers(2, 4))):
        place = canvas.pick((1 - anatomy.fluid) * (anatomy.depth > 6))
        radius = float(rng.uniform(2.0, 7.0))
        shape = canvas.ellipsoid(place, (radius, 0.9 * radius), roughness=0.2)
        canvas.paint(canvas.soft(shape, 0.8), grey + conspicuity * (0.5 * fluid - grey))
        chambers = canvas.unevenness(2.0) > 0.0
        bright = white * (1 + 0.35 * conspicuity)
        dark = grey + conspicuity * (fluid - grey)
        inner = canvas.soft(shape - max(0.8, 0.2 * radius), 0.8)
        canvas.paint(inner, np.where(chambers, bright, dark).astype(np.float32))


def mass(canvas: Canvas, conspicuity: float) -> None:
    """A high-grade tumour or metastasis: dark core, uneven rim, oedema, pressure."""
    anatomy, rng = canvas.anatomy, canvas.rng
    fluid, grey, white = anatomy.levels
    place = canvas.pick((1 - anatomy.fluid) * (anatomy.depth > 9))
    radius = float(rng.uniform(5.0, 22.0))
    canvas.push(place, radius, float(rng.uniform(0.3, 0.8)))
    shape = canvas.ellipsoid(
        place, (radius, 0.85 * radius, 0.75 * radius), roughness=float(rng.uniform(0.15, 0.35))
    )
    reach = float(rng.uniform(4.0, 18.0))
    # Oedema follows white matter and spares the cortex.
    spread = np.exp(-np.maximum(-shape, 0) / reach) + 0.2 * canvas.unevenness(12.0)
    oedema = np.clip((spread - 0.35) / 0.25, 0, 1) * (shape > -2 * reach) * anatomy.white
    side = np.sign(canvas.at(place, anatomy.beside_midline))
    oedema = oedema * (side * anatomy.beside_midline > -1)
    canvas.darken(float(rng.uniform(0.25, 0.45)) * conspicuity * oedema.astype(np.float32))
    rim = float(rng.uniform(0.2, 0.45)) * radius
    solid = grey + float(rng.uniform(-0.3, 0.35)) * (white - grey)
    canvas.paint(canvas.soft(shape, 1.5), solid, unevenness=0.1)
    core = white + conspicuity * (0.75 * fluid + 0.25 * grey - white)
    canvas.paint(canvas.soft(shape - rim, 2.0), core, unevenness=0.08)


def extra_axial(canvas: Canvas, conspicuity: float) -> None:
    """A meningioma: as grey as the cortex, at the surface, the brain pushed away behind a cleft."""
    anatomy, rng = canvas.anatomy, canvas.rng
    fluid, grey, white = anatomy.levels
    surface = anatomy.brain & (anatomy.depth < 3)
    place = canvas.pick(surface)
    radius = float(rng.uniform(6.0, 20.0))
    centre = place + canvas.inward(place, anatomy.depth) * 0.45 * radius
    canvas.push(centre, radius, float(rng.uniform(0.5, 0.9)))
    shape = canvas.ellipsoid(centre, (radius, radius, 0.85 * radius), roughness=0.08)
    canvas.paint(canvas.soft(shape + 1.2, 1.0), 0.6 * fluid + 0.4 * grey, abnormal=False)
    away = float(rng.choice((-1.0, 1.0))) * 0.35 * conspicuity
    canvas.paint(canvas.soft(shape, 1.0), grey + away * (white - grey), unevenness=0.05)
