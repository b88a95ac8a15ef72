"""From readings to occupancy, one estimator for every kind of sensor. Pure.

A belief per space is a value, moved by readings and by time:

- `chain` says what people do (come, stay, leave); `space_model` and `settled` how one space is judged from the factory;
- each kind of sensor has a voice: `pulses`, `levels`, `air`, `ambience`, `doors`; `voices` is what all of them keep to;
- `estimator` holds the belief, `deadlines` says when silence will matter, `watch` keeps all spaces of an agent;
- `health` and `ward` decide which sensors can be believed; `offline` runs a recording through the same code;
- `teachers`, `labels`, `posterior` are what `perch fit` learns; `accuracy` scores; `commissioning`: a walk;
- `hold` is the old way, a fixed time after the last movement, kept to be compared with; `judge` is the law of both.
"""
