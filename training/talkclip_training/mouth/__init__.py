"""The neutral speaking mouth: targets from phones, aligned speech of many voices, training, evaluation."""
