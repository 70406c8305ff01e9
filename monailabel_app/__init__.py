"""The MONAI Label app: D24FAD behind MONAI Label's server, with a review API of its own."""
