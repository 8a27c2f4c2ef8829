"""From an upload to its result: the queue, its workers, and the images that are kept."""
