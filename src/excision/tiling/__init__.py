"""Images larger than the working image: training on tiles cut out of them, inspection tile by tile."""
