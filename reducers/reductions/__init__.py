"""Families behind `couple.reduce`: trainings whose stimuli are scaled to an experiment; imports the trainings."""
