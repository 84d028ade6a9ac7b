"""What stands beside the pools: learned blocks that advance themselves, and molecules whose rates a window holds."""
