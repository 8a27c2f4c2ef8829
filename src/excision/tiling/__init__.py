"""Images larger than the working image: training on tiles cut from them, and inspection tile by tile."""
