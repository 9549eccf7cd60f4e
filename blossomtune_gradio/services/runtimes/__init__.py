"""Where runs run: what every such place has to offer, and the SuperLink of this machine."""
