"""Where images and results lie: paths and URLs, manifests of images, reading ahead."""
