: calcium in shells of a cylinder: radial diffusion, removal from all of them
NEURON { SUFFIX radial  USEION ca READ ica, cai WRITE cai  RANGE removal  GLOBAL part }
DEFINE Shells 4
UNITS { (mM) = (milli/liter) (mA) = (milliamp) (um) = (micron) FARADAY = (faraday) (10000 coulomb) PI = (pi) (1) }
PARAMETER { D = 0.2 (um2/ms)  removal = 0.05 (/ms)  rest = 1e-4 (mM) }
ASSIGNED { diam (um)  ica (mA/cm2)  cai (mM)  part[Shells]  outer[Shells] }
STATE { ca[Shells] (mM) }
LOCAL done
INITIAL {
  if (done == 0) {
    done = 1
    factors()
  }
  FROM i = 0 TO Shells-1 { ca[i] = rest }
  cai = ca[0]
}
PROCEDURE factors() {
  LOCAL r
  r = 1
  FROM i = 0 TO Shells-1 {
    outer[i] = r
    part[i] = PI*(r^2 - (r - 1/4)^2)/4
    r = r - 1/4
  }
}
BREAKPOINT { SOLVE diffuse METHOD sparse }
KINETIC diffuse {
  COMPARTMENT i, diam*diam*part[i] {ca}
  LONGITUDINAL_DIFFUSION i, D*diam*diam*part[i] {ca}
  ~ ca[0] << (-ica*PI*diam/(2*FARADAY))
  FROM i = 0 TO Shells-2 {
    ~ ca[i] <-> ca[i+1] (4*D*2*PI*outer[i+1]/2, 4*D*2*PI*outer[i+1]/2)
  }
  FROM i = 0 TO Shells-1 {
    ~ ca[i] -> (removal*diam*diam*part[i])
    ~ ca[i] << (removal*rest*diam*diam*part[i])
  }
  cai = ca[0]
}
