"""All sites over a window: one by one in steps of their own, or side by side in SIMD registers."""
