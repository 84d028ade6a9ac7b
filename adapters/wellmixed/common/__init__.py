"""What the well-mixed engines share: states of sites, inputs, rate laws in tables. Imports no other room of them."""
